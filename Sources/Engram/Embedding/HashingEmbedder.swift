/// An embedder without a model: it hashes the words and character n-grams of a text into a vector.
///
/// It is a baseline. Texts are similar when they share words or parts of words; it knows no synonyms, no paraphrases and no
/// grammar, and its scores are not comparable with those of a trained model. It is deterministic, needs no files, runs
/// at tens of thousands of short texts a second on one core and gives the same bits on every platform.
///
/// ## The algorithm, version 1
///
/// Stored vectors depend on every step, so a change of any is a new ``EmbedderIdentity/version``.
///
/// 1. *Fold* each scalar value: lowercase; drop accents, vowel points, joiners and variation selectors; full width becomes ASCII; `ß`
///    becomes `ss`, `æ` `ae` and so on (`TextFolding`).
/// 2. *Cut* into words (runs of letters, digits and marks), runs of a script that writes no spaces, and symbols (`TokenScanner`).
/// 3. *Features*. Each has a kind, which is one ASCII byte, a string, and a weight. A word of n scalar values has the length factor
///    f = min(1, n / 10), which approximates its rarity.
///    - `w`, a word: 0.3 f; a common English word: 0.1, and it has no other feature;
///    - `s`, its stem (`EnglishWords.stem`): 0.7 f;
///    - `g`, each run of 3, 4 or 5 scalar values of `<word>`: 0.7 f / √(the number of these runs);
///    - `c`, each scalar value of an unspaced run: 0.15, and each pair of neighbours: 0.5;
///    - `y`, each symbol: 0.3.
///
///    A text without any of these has instead a feature `r` of weight 1 for each scalar value that is not white space and is not
///    dropped by folding; and if there is none of these either, the one feature `e` with an empty string.
/// 4. *Weight*. A feature that occurs m times, with weights that sum to s, weighs s / √m: sublinear term frequency.
/// 5. *Hash* the kind and the string's UTF-8 to 64 bits (`FeatureHash`). The component is ⌊(low 32 bits) × dimension / 2³²⌋; the
///    sign is plus if the top bit is set. In ascending order of the hash, the signed weights are added up in `Double`.
/// 6. *Normalise* to unit length in `Double`, then round to `Float`. If every sum is zero, the vector is the signed unit vector of the
///    least hash.
///
/// Only +, −, ×, ÷ and √ are used, which IEEE 754 rounds alike everywhere. The vector depends on the features only as a multiset,
/// so the order of words does not matter.
///
/// Sources: Weinberger, Dasgupta, Langford, Smola, Attenberg, "Feature Hashing for Large Scale Multitask Learning" (2009) for step 5;
/// Bojanowski, Grave, Joulin, Mikolov, "Enriching Word Vectors with Subword Information" (2017) for the
/// n-grams of `<word>`.
public struct HashingEmbedder: Embedder {
  public let identity: EmbedderIdentity

  /// - Parameter dimension: The number of components, 1 … 65,536. Fewer components make more features share one.
  public init(dimension: Int = 384) {
    precondition(1...65_536 ~= dimension, "The dimension of a HashingEmbedder is 1 … 65,536, not \(dimension).")
    identity = EmbedderIdentity(name: "hashing", dimension: dimension, version: "1")
  }

  /// Returns one unit vector per text, in the order of `texts`; an empty text has one too.
  ///
  /// - Throws: `CancellationError` when the task is cancelled between two texts, and nothing else.
  /// - Complexity: O(length × log(length) + dimension) for each text.
  @concurrent
  public func embed(_ texts: [String]) async throws -> [Embedding] {
    var builder = FeatureBuilder()
    var embeddings: [Embedding] = []
    embeddings.reserveCapacity(texts.count)
    for text in texts {
      try Task.checkCancellation()
      embeddings.append(vector(of: text, with: &builder))
    }
    return embeddings
  }

  /// Returns the unit vector of `text`, computed on the calling thread.
  public func embedding(of text: String) -> Embedding {
    var builder = FeatureBuilder()
    return vector(of: text, with: &builder)
  }

  private func vector(of text: String, with builder: inout FeatureBuilder) -> Embedding {
    let features = builder.features(of: text)
    var sums = [Double](repeating: 0, count: identity.dimension)
    var index = 0
    while index < features.count {
      let hash = features[index].hash
      var weight = 0.0
      let first = index
      while index < features.count, features[index].hash == hash {
        weight += features[index].weight
        index += 1
      }
      sums[component(of: hash)] += sign(of: hash) * weight / Double(index - first).squareRoot()
    }
    let squares = sums.reduce(0) { $0 + $1 * $1 }
    guard squares > 0 else {
      sums[component(of: features[0].hash)] = sign(of: features[0].hash)
      return Embedding(sums.map { Float($0) })
    }
    let norm = squares.squareRoot()
    return Embedding(sums.map { Float($0 / norm) })
  }

  private func component(of hash: UInt64) -> Int {
    Int(((hash & 0xffff_ffff) * UInt64(identity.dimension)) >> 32)
  }

  private func sign(of hash: UInt64) -> Double {
    hash >> 63 == 1 ? 1 : -1
  }
}
