"""bm25s and FAISS: an index of each kind for every user, in the memory of one process."""

import numpy

from . import rounds, words

CANDIDATES = 200


class UserIndex:
    def __init__(self, dataset, numbers, threads):
        import bm25s
        import faiss
        import Stemmer

        self.texts = [dataset.memories[number]["text"] for number in numbers]
        self.stemmer = Stemmer.Stemmer("english")
        self.lists = bm25s.BM25()
        self.lists.index(bm25s.tokenize(self.texts, stopwords="en", stemmer=self.stemmer, show_progress=False), show_progress=False)
        faiss.omp_set_num_threads(threads)
        self.flat = faiss.IndexFlatIP(dataset.vectors.shape[1])
        self.flat.add(numpy.ascontiguousarray(dataset.vectors[numbers]))

    def said(self, text, limit):
        """Numbers and BM25 of the best memories that have one of the words, in no order."""
        stems = [stem for stem in self.stemmer.stemWords(words.of_question(text)) if stem in self.lists.vocab_dict]
        if not stems:
            return numpy.empty(0, int), numpy.empty(0, numpy.float32)
        scores = self.lists.get_scores(stems)
        best = numpy.argpartition(scores, -limit)[-limit:] if limit < len(scores) else numpy.arange(len(scores))
        best = best[scores[best] > 0]
        return best, scores[best]

    def lexical(self, text, limit):
        best, scores = self.said(text, limit)
        return [self.texts[number] for number in best[numpy.argsort(-scores)]]

    def hybrid(self, text, vector, limit):
        cosines, near = self.flat.search(vector[None], min(CANDIDATES, self.flat.ntotal))
        cosines, near = cosines[0], near[0]
        best, scores = self.said(text, CANDIDATES)
        candidates, places = numpy.unique(numpy.concatenate([near, best]), return_inverse=True)
        sums = numpy.zeros(len(candidates))
        sums[places[: len(near)]] += (cosines - cosines[-1]) / max(cosines[0] - cosines[-1], 1e-9)
        if len(best):
            sums[places[len(near) :]] += scores / scores.max()
        return [self.texts[number] for number in candidates[numpy.argsort(-sums)[:limit]]]


class Engine:
    def __init__(self, indexes, dataset, hybrid):
        self.indexes, self.dataset, self.is_hybrid = indexes, dataset, hybrid
        self.name = "bm25s + FAISS IndexFlatIP" if hybrid else "bm25s"
        self.note = "in memory: not durable, no writers beside readers, no filters, rebuilt for each new memory" + (
            f"; fuses the best {CANDIDATES} of each kind" if hybrid else "")

    def search(self, user, queries, limit):
        index, data = self.indexes[user], self.dataset
        if self.is_hybrid:
            return rounds.timed([lambda n=n: index.hybrid(data.queries[n], data.query_vectors[n], limit) for n in queries])
        return rounds.timed([lambda n=n: index.lexical(data.queries[n], limit) for n in queries])
