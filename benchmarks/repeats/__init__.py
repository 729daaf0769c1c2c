"""Does a benchmark agree with itself on a busy machine?"""
