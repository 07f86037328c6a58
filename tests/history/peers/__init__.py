"""The torture of other projects: those of `bench.baselines`. The checker must find what they are known for."""
