"""How much accuracy binarisation costs, on real data, by a recipe that anyone can run again."""
