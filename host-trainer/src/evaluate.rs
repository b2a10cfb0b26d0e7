//! Accuracy of the float and the integer network on labelled images.
