"""Partners: who contributes data, and whom to ask, from `include/partners/<partner>/profile.yaml`."""
