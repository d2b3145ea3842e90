"""The calendar: which deliveries feeds owe, when each is due, and what has become of it. Pauses belong to it too."""
