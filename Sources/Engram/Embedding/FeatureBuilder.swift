/// Collects the weighted features of a text: steps 1 to 3 of ``HashingEmbedder``.
///
/// The storage is kept between texts.
struct FeatureBuilder {
  struct Feature {
    let hash: UInt64
    let weight: Double
  }

  private var scanner = TokenScanner()
  private var features: [Feature] = []
  private var bracketed: [UInt32] = []

  /// Returns one entry per occurrence of a feature, at least one, in ascending order of hash and then of weight.
  mutating func features(of text: String) -> [Feature] {
    features.removeAll(keepingCapacity: true)
    scanner.scan(text)
    for token in scanner.tokens {
      switch token.kind {
      case .word: addWord(scanner.scalars[token.range])
      case .unspaced: addUnspaced(scanner.scalars[token.range])
      case .symbol: add("y", scanner.scalars[token.range], weight: 0.3)
      }
    }
    if features.isEmpty { addRawScalars(of: text) }
    if features.isEmpty { add("e", [], weight: 1) }
    features.sort { $0.hash != $1.hash ? $0.hash < $1.hash : $0.weight < $1.weight }
    return features
  }

  private mutating func add(_ kind: Unicode.Scalar, _ scalars: ArraySlice<UInt32>, weight: Double) {
    var hash = FeatureHash(kind: UInt8(ascii: kind))
    for scalar in scalars { hash.combine(scalar: scalar) }
    features.append(Feature(hash: hash.value, weight: weight))
  }

  private mutating func addWord(_ word: ArraySlice<UInt32>) {
    let factor = min(1, Double(word.count) / 10)
    add("w", word, weight: 0.3 * factor)
    if EnglishWords.commonWordHashes.contains(features[features.count - 1].hash) {
      features[features.count - 1] = Feature(hash: features[features.count - 1].hash, weight: 0.1)
      return
    }
    let stem = EnglishWords.stem(word)
    add("s", stem.addsY ? stem.letters + [0x79] : stem.letters, weight: 0.7 * factor)
    addGrams(of: word, weight: 0.7 * factor)
  }

  private mutating func addGrams(of word: ArraySlice<UInt32>, weight: Double) {
    bracketed.removeAll(keepingCapacity: true)
    bracketed.append(0x3c)
    bracketed.append(contentsOf: word)
    bracketed.append(0x3e)
    let lengths = 3...5
    let count = lengths.reduce(0) { $0 + max(0, bracketed.count - $1 + 1) }
    let share = weight / Double(count).squareRoot()
    for start in 0...(bracketed.count - lengths.lowerBound) {
      // FNV-1a takes one byte after the other, so the hashes of the shorter runs are intermediate results of the longest.
      var hash = FeatureHash(kind: UInt8(ascii: "g"))
      for (offset, scalar) in bracketed[start..<min(start + lengths.upperBound, bracketed.count)].enumerated() {
        hash.combine(scalar: scalar)
        if lengths.contains(offset + 1) {
          features.append(Feature(hash: hash.value, weight: share))
        }
      }
    }
  }

  private mutating func addUnspaced(_ run: ArraySlice<UInt32>) {
    for index in run.indices {
      add("c", run[index...index], weight: 0.15)
      if index + 1 < run.endIndex {
        add("c", run[index...index + 1], weight: 0.5)
      }
    }
  }

  private mutating func addRawScalars(of text: String) {
    for scalar in text.unicodeScalars where !scalar.properties.isWhitespace {
      TextFolding.fold(scalar) { value in
        var hash = FeatureHash(kind: UInt8(ascii: "r"))
        hash.combine(scalar: value)
        features.append(Feature(hash: hash.value, weight: 1))
      }
    }
  }
}
