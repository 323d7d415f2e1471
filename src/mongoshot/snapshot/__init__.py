"""The value that flows through the house, and its files; knows neither server nor test."""
