"""Networks of this package with the weights of others: checkpoints -> networks -> `.keras` files."""
