import Testing

@testable import VectorSearch

@Suite struct SharedBoundTests {
  /// The bug: `Atomic.max` compared the bits as signed numbers, so that no score above zero was ever shared.
  @Test func theHighestScoreStays() {
    let values: [Float] = [-.infinity, -3, -0.5, -.leastNonzeroMagnitude, .leastNonzeroMagnitude, 0.25, 1, 7, .infinity]
    for first in values {
      #expect(SharedBound(first).value == first)
      for second in values {
        let bound = SharedBound(first)
        bound.raise(to: second)
        #expect(bound.value == max(first, second), "\(first), \(second)")
      }
    }
    let bound = SharedBound(-1)
    for value: Float in [0.5, 0.25, 0.75, -0.5] { bound.raise(to: value) }
    #expect(bound.value == 0.75)
  }

  @Test(.timeLimit(.minutes(5))) func threadsShareTheHighest() async {
    final class Shared: Sendable { let bound = SharedBound(-.infinity) }
    let shared = Shared()
    await withTaskGroup(of: Void.self) { group in
      for task in 0..<4 { group.addTask { for step in 0..<1000 { shared.bound.raise(to: Float(step * 4 + task) / 1000 - 2) } } }
    }
    #expect(shared.bound.value == Float(3999) / 1000 - 2)
  }
}
