"""Whether thousands of other businesses slow down what one of them does."""
