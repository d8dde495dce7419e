"""What is true of the embedded engine only: files, flocks, the write-ahead log."""
