"""From a trained network to ONNX graphs in every precision."""
