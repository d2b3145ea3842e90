"""The demo: everything on this machine, from fictional files on SFTP to three answers in the warehouse."""
