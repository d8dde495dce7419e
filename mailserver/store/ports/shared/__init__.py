"""What all processes of a service share and may lose: nothing in here costs an fsync."""
