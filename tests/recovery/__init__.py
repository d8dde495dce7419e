"""Getting back in: codes, recovery addresses, what the keeper does for passwords."""
