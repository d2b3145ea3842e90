"""Load: accepted rows through the feed's transform and crosswalks into `record`, once, with every row's fate."""
