"""Decisions: what was proposed, who was asked, how they voted, what came of it; and what follows for the pipeline."""
