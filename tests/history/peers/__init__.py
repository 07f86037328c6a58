"""The torture of other projects, those of `bench.baselines`. The checker must find their known weaknesses."""
