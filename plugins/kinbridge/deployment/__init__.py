"""What the one-shot containers of docker-compose.yml do before the services start; docs/production.md tells how."""
