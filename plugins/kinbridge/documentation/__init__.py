"""Pages below docs/ that are written from the declarations, so that they cannot say anything else."""
