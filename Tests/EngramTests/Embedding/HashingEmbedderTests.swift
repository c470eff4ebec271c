import Testing

@testable import Engram

struct HashingEmbedderTests {
  private let embedder = HashingEmbedder()

  private func similarity(_ first: String, _ second: String) -> Float {
    zip(embedder.embedding(of: first).values, embedder.embedding(of: second).values).reduce(0) { $0 + $1.0 * $1.1 }
  }

  /// FNV-1a over the little-endian bytes of the components.
  private func digest(_ embedding: Embedding) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for value in embedding.values {
      for shift in [UInt32(0), 8, 16, 24] {
        hash = (hash ^ UInt64(value.bitPattern >> shift & 0xff)) &* 0x0000_0100_0000_01b3
      }
    }
    return hash
  }

  /// Computed by a naive implementation of the documented algorithm in another language. If one of these values changes, stored vectors no
  /// longer match in every store that was written with this embedder: raise the version of its identity instead.
  private static let golden: [(text: String, digest384: UInt64, values6: [Float])] = [
    (
      "", 0xada3_59ad_40f2_6628,
      [0.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    ),
    (
      "...!?", 0x605b_bb42_68f2_9f1f,
      [0.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    ),
    (
      "🔥", 0xfaf1_71b0_9441_4878,
      [0.0, 1.0, 0.0, 0.0, 0.0, 0.0]
    ),
    (
      "The cat sat on the mat.", 0xc85c_00b9_b5be_e448,
      [-0.63384134, -0.67003196, 0.12808082, -0.23259424, -0.2497856, -0.12808082]
    ),
    (
      "She loves spicy ramen and hates cilantro", 0x1768_1a42_7504_fb79,
      [-0.7221567, 0.21974221, 0.26713324, -0.34786084, 0.21806905, 0.4362128]
    ),
    (
      "Planned studies, running runners", 0x18f4_ba86_d59b_ee34,
      [0.34518552, -0.49786386, -0.34894308, 0.07539978, 0.68229264, 0.20002231]
    ),
    (
      "Crème brûlée à la Straße", 0x3bf9_0b68_cb4d_71b7,
      [0.4816745, -0.51768655, -0.067831814, -0.17787805, 0.56773275, 0.37606922]
    ),
    (
      "東京で寿司を食べた", 0x57a9_db44_6c7d_9433,
      [-0.45382082, -0.6523674, -0.567276, 0.0, 0.1985466, 0.085091405]
    ),
    (
      "한국어 공부", 0xfe79_85fc_c8ba_c9b9,
      [0.29559878, 0.68973047, 0.59119755, 0.0, 0.0, 0.29559878]
    ),
    (
      "Москва и Ёлка", 0x1b6e_fe4b_1db6_330c,
      [0.26053917, -0.28004983, 0.0, 0.33370852, -0.8588064, 0.069149874]
    ),
    (
      "don’t stop 2026", 0x87cd_cf80_f148_ea3a,
      [0.29899108, 0.28831282, 0.9076515, -0.042713013, 0.042713013, 0.0]
    ),
  ]

  @Test func vectorsNeverChange() {
    #expect(embedder.identity == EmbedderIdentity(name: "hashing", dimension: 384, version: "1"))
    let small = HashingEmbedder(dimension: 6)
    for (text, digest384, values6) in Self.golden {
      #expect(digest(embedder.embedding(of: text)) == digest384, "\(text)")
      #expect(small.embedding(of: text).values == values6, "\(text)")
    }
  }

  @Test func textsThatShareWordsAreMoreSimilar() {
    #expect(similarity("I love hiking in the mountains", "hiking mountains is what she loves") > 0.8)
    #expect(abs(similarity("I love hiking in the mountains", "the quarterly invoice was paid late")) < 0.2)
    #expect(similarity("cat", "cats") > 0.5)
    #expect(similarity("Straßencafé", "STRASSENCAFE") > 0.9999)
    #expect(similarity("寿司が好きです", "寿司を食べた") > similarity("寿司が好きです", "天気がいい") + 0.1)
    #expect(similarity("ramen 🍜", "🍜") > 0.1)
  }

  @Test func commonWordsWeighLittle() {
    #expect(similarity("what is the pottery that she has", "pottery") > 0.75)
  }

  @Test func orderAndSpellingOfTheSameTextDoNotMatter() {
    let decomposed = "e\u{301}te\u{301} \u{1112}\u{1161}\u{11ab}\u{1100}\u{116e}\u{11a8} D ECOLE"
    #expect(embedder.embedding(of: "école d'été, 한국") == embedder.embedding(of: decomposed))
  }

  @Test func everyTextHasAFiniteUnitVector() {
    var generator = SeededGenerator(state: 7)
    let alphabet = Array("ab cz'\u{301}\u{200d}ßﬁé東が한🍜👩🏽‍🍳٣ض\u{0}\u{FFFF}\u{10FFFF}\n".unicodeScalars)
    for dimension in [1, 2, 7, 384] {
      let embedder = HashingEmbedder(dimension: dimension)
      for _ in 0..<100 {
        var text = String.UnicodeScalarView()
        for _ in 0..<Int.random(in: 0...24, using: &generator) {
          text.append(alphabet[Int.random(in: 0..<alphabet.count, using: &generator)])
        }
        let values = embedder.embedding(of: String(text)).values
        #expect(values.count == dimension)
        let squares = values.reduce(0.0) { $0 + Double($1) * Double($1) }
        #expect(abs(squares - 1) < 1e-6, "\(Array(text))")
      }
    }
  }

  @Test func whiteSpaceIsTheEmptyText() {
    let empty = embedder.embedding(of: "")
    #expect(embedder.embedding(of: " \n\u{3000}\u{200d}") == empty)
    #expect(embedder.embedding(of: "?") != empty)
    #expect(empty.values.count(where: { $0 != 0 }) == 1)
  }

  @Test func sumsThatCancelFallBackToTheLeastHash() throws {
    let one = HashingEmbedder(dimension: 1)
    let marks = ["!", "?", ".", ",", ";", ":", "-", "#"]
    let plus = try #require(marks.first { one.embedding(of: $0) == [1] })
    let minus = try #require(marks.first { one.embedding(of: $0) == [-1] })
    var plusHash = FeatureHash(kind: UInt8(ascii: "r"))
    var minusHash = plusHash
    for byte in plus.utf8 { plusHash.combine(byte: byte) }
    for byte in minus.utf8 { minusHash.combine(byte: byte) }
    let expected: Embedding = plusHash.value < minusHash.value ? [1] : [-1]
    #expect(one.embedding(of: plus + minus) == expected)
    #expect(one.embedding(of: minus + plus) == expected)
  }

  @Test(.timeLimit(.minutes(5))) func manyTasksGetTheVectorsOfOne() async throws {
    let texts = (0..<200).map { "memory \($0) of a walk by the river \($0 % 7) 🌧 東京" } + [""]
    let expected = texts.map { embedder.embedding(of: $0) }
    try await withThrowingTaskGroup(of: [Embedding].self) { group in
      for _ in 0..<8 {
        group.addTask { [embedder] in try await embedder.embed(texts) }
      }
      for try await embeddings in group {
        #expect(embeddings == expected)
      }
    }
    #expect(try await embedder.embed([String]()) == [])
  }

  @Test func aCancelledTaskThrows() async {
    await #expect(throws: CancellationError.self) {
      try await withThrowingTaskGroup(of: [Embedding].self) { group in
        group.cancelAll()
        group.addTask { [embedder] in try await embedder.embed(["never embedded"]) }
        try await group.waitForAll()
      }
    }
  }
}

/// SplitMix64.
private struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
