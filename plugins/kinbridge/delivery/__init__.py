"""Delivery: files fetched from partners over SFTP, registered, read and staged."""
