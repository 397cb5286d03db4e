"""Token shards in, a trained language model out: one decoder, one ``train()`` for pretraining and
fine-tuning.

Nothing here imports torch at import time except the modules that compute; ``trainer.config`` is light.
"""
