"""What every implementation of the `Store` port must do, whatever its engine."""
