import TestSupport
import TestTraps
import Testing
import VectorSearch

@Suite struct TopKTests {
  private struct Candidate: Equatable {
    let score: UInt32
    let id: Int
    let payload: String

    init(_ score: Float, _ id: Int) {
      self.score = score.bitPattern
      self.id = id
      payload = "payload \(id)"
    }
  }

  /// The first `limit` of all candidates at or above the threshold, sorted.
  private func reference(_ candidates: [(score: Float, id: Int)], limit: Int, threshold: Float) -> [Candidate] {
    candidates.filter { $0.score >= threshold }
      .sorted { $0.score != $1.score ? $0.score > $1.score : $0.id < $1.id }
      .prefix(limit).map { Candidate($0.score, $0.id) }
  }

  private func collect(_ candidates: [(score: Float, id: Int)], limit: Int, threshold: Float) -> [Candidate] {
    var top = TopK<Int, String>(limit: limit, threshold: threshold)
    for candidate in candidates { top.insert(score: candidate.score, id: candidate.id, payload: "payload \(candidate.id)") }
    return top.sorted().map { found in
      #expect(found.payload == "payload \(found.id)")
      return Candidate(found.score, found.id)
    }
  }

  @Test func theBestAreThoseOfAFullSortWhateverTheTies() {
    var generator = SeededGenerator(seed: 80)
    let few: [Float] = [0, 0.25, 0.5, 1, -1, .infinity, -.infinity, .leastNonzeroMagnitude, .nan]
    for round in 0..<1_500 {
      let count = Int.random(in: 0...60, using: &generator)
      // Ids are distinct and in any order; there are few different scores, so that most are tied.
      let ids = (0..<count).map { $0 * 3 }.shuffled(using: &generator)
      let candidates = ids.map { id in
        (score: round % 3 == 0 ? Float.random(in: -1...1, using: &generator) : few.randomElement(using: &generator) ?? 0, id: id)
      }
      let limit = Int.random(in: 1...20, using: &generator)
      let threshold = [-Float.infinity, -1, 0, 0.25, 0.3, 2, .infinity].randomElement(using: &generator) ?? 0
      #expect(collect(candidates, limit: limit, threshold: threshold) == reference(candidates, limit: limit, threshold: threshold))
    }
  }

  @Test func equalScoresGoToTheSmallestIDsInAnyOrderOfArrival() {
    var generator = SeededGenerator(seed: 81)
    for _ in 0..<50 {
      let candidates = (0..<200).shuffled(using: &generator).map { (score: Float(0.5), id: $0) }
      #expect(collect(candidates, limit: 7, threshold: 0).map(\.id) == Array(0..<7))
    }
  }

  @Test func zeroOfEitherSignIsATie() {
    let candidates: [(score: Float, id: Int)] = [(0.0, 2), (-0.0, 1), (0.0, 3), (-0.0, 0)]
    #expect(collect(candidates, limit: 3, threshold: 0).map(\.id) == [0, 1, 2])
  }

  @Test func notANumberNeverEnters() {
    var top = TopK<Int, Void>(limit: 3)
    #expect(!top.admits(.nan) && !top.admits(-.nan) && !top.admits(.signalingNaN))
    top.insert(score: .nan, id: 1, payload: ())
    top.insert(score: -.infinity, id: 2, payload: ())
    top.insert(score: .nan, id: 0, payload: ())
    #expect(top.sorted().map(\.id) == [2])
    let nothing = TopK<Int, Void>(limit: 1, threshold: .nan)
    #expect(!nothing.admits(.infinity))
  }

  @Test func admissionIsWhetherTheSmallestIDWouldEnter() {
    var generator = SeededGenerator(seed: 82)
    for _ in 0..<300 {
      var top = TopK<Int, Void>(limit: 5, threshold: 0.2)
      for id in 1...Int.random(in: 1...12, using: &generator) {
        top.insert(score: Float(Int.random(in: 0...10, using: &generator)) / 10, id: id, payload: ())
      }
      for step in 0...10 {
        let score = Float(step) / 10
        var probe = top
        probe.insert(score: score, id: 0, payload: ())
        #expect(top.admits(score) == probe.sorted().contains { $0.id == 0 })
      }
    }
  }

  @Test func theThresholdItselfEnters() {
    #expect(collect([(0.5, 1), (Float(0.5).nextDown, 2), (Float(0.5).nextUp, 3)], limit: 5, threshold: 0.5).map(\.id) == [3, 1])
  }

  @Test func aSearchForNothingTraps() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = TopK<Int, Int>(limit: 0)
    }
    expectTrap(result, "a search wants at least one result")
  }
}
