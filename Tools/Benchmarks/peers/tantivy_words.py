"""tantivy, the search library in Rust: words alone, on disk, one index for all users."""

from . import rounds, words


class Index:
    def __init__(self, folder, dataset, count):
        import tantivy

        folder.mkdir()
        builder = tantivy.SchemaBuilder()
        builder.add_text_field("user", tokenizer_name="raw")
        builder.add_text_field("text", stored=True, tokenizer_name="en_stem")
        self.schema = builder.build()
        self.index = tantivy.Index(self.schema, path=str(folder))
        writer = self.index.writer(heap_size=100_000_000, num_threads=1)
        for memory in dataset.memories[:count]:
            writer.add_document(tantivy.Document(user=memory["user"], text=memory["text"]))
        writer.commit()
        writer.wait_merging_threads()
        self.index.reload()
        self.searcher = self.index.searcher()


class Engine:
    name = "tantivy"
    note = "words alone: no vectors; BM25 counts the memories of all users; a commit is a new segment"

    def __init__(self, index, dataset):
        self.index, self.dataset = index, dataset

    def search(self, user, queries, limit):
        return rounds.timed([lambda number=number: self.one(user, number, limit) for number in queries])

    def one(self, user, number, limit):
        from tantivy import Occur, Query

        asked = self.index.index.parse_query(" ".join(words.of_question(self.dataset.queries[number])), ["text"])
        owned = Query.const_score_query(Query.term_query(self.index.schema, "user", user), 0.0)
        found = self.index.searcher.search(Query.boolean_query([(Occur.Must, owned), (Occur.Must, asked)]), limit, count=False)
        return [self.index.searcher.doc(address)["text"][0] for _, address in found.hits]
