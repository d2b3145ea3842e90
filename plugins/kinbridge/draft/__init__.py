"""Drafts: a sample file becomes the skeleton of a feed's declarations, with every open decision marked."""
