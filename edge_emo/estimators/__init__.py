"""One estimator per modality: chunks in, predictions out."""
