"""Plan the fix of gaps that it knows nothing about, and rule on criteria."""
