"""How far a study is, from its result files, its logs and Slurm's queue."""
