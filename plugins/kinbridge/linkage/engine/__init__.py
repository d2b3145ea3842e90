"""Where linkage does its work: DuckDB in this process, or Spark, here or on a cluster. The SQL is one for both."""
