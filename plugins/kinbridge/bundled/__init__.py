"""Services of this machine for demo and tests: Postgres and SFTP as processes, without Docker or root."""
