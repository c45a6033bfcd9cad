"""Identity, receipts, bundles and code digests."""
