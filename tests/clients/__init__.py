"""Mail programs that other people wrote, driven against a demo that runs."""
