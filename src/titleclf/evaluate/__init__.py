"""Evaluation of models on labelled titles: metrics, report, plots and model card."""
