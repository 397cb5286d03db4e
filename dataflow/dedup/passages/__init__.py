"""Passages that stand in several places of the corpus: found by sorting the hashes of all of them, in three rounds.

1. ``list_passages``, by shard: the hashes of every passage of the documents that stand, laid out by their upper
   bits. Eight bytes a passage: which document and which of its passages it is follows from the order.
2. ``group_passages``, by partition: the hashes that occur twice or more, sorted in memory.
3. ``decide_passages``, by partition: of each such passage the first place in survivor order keeps it, the others
   lose it; ``cut.cut_passages``, by shard, cuts what is lost and says which documents have too little left.

A document that has too little left is removed, and keeps nothing for others. So round 3 is made again without
those documents as keepers, until the same are removed as before. Why that ends, and where: call R(n) what is removed
when the documents of R(n-1) keep nothing, with R(0) empty. Fewer keepers lose fewer passages, so R turns any order
of sets around: R(0) and R(2) and so on grow, R(1) and R(3) and so on shrink, each even one within each odd one. Taking
documents in survivor order, whether one is removed depends on earlier ones alone; so by induction both sequences
reach the one set that is its own image, at the latest after as many rounds as documents depend on each other in a
chain. Two are usual. After ``ROUNDS`` whatever was removed stays removed: then the next odd set is final, for what
has enough left beside more keepers has enough beside fewer. In any case every passage that is cut is kept by a
document that stays, or by the document itself.

Runs of words find what a suffix array of the corpus finds (Lee et al. 2022): two places share a run of N words just
where the common prefix of their suffixes has N words or more. Sorting hashes costs about as much (0.16 s against 0.20 s
on 720,000 words); but no partition knows of another, so memory is bounded by the partition and not by the corpus. (All
places of one passage are in one partition: that is the least which fits.)
"""
