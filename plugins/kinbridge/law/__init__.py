"""Laws as data: what each clause demands of which class of data, as counsel writes it below `include/laws`."""
