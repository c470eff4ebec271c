import TestSupport
import Testing

@testable import Engram

/// The hash table of verification, compared with a `Dictionary`.
@Suite struct KeyTableTests {
  private struct Element: KeyedElement {
    let key: MemoryID
    var value = 0
  }

  /// Random ids, and ids that a weak hash would map to one place: equal halves, steps of powers of two.
  private func ids(_ generator: inout SeededGenerator) -> [MemoryID] {
    var ids: [MemoryID] = []
    for number in 0..<3000 {
      let number = UInt64(number)
      ids.append(MemoryID(high: .random(in: .min ... .max, using: &generator), low: .random(in: .min ... .max, using: &generator)))
      ids += [MemoryID(high: 0, low: number), MemoryID(high: number, low: 0), MemoryID(high: number, low: number)]
      ids += [MemoryID(high: 0x7000, low: number << 40), MemoryID(high: number << 52, low: 1), MemoryID(high: .max, low: .max - number)]
    }
    return ids.shuffled(using: &generator)
  }

  @Test(.timeLimit(.minutes(5))) func everyKeyFindsItsOwnElement() {
    var generator = SeededGenerator(seed: 3)
    let ids = ids(&generator)
    var table = KeyTable<Element>()
    var reference: [MemoryID: Int] = [:]
    var order: [MemoryID] = []
    for id in ids + ids.prefix(1000) {
      #expect(table.number(of: id) == reference[id])
      let number = table.number(of: id, else: Element(key: id))
      if reference[id] == nil {
        reference[id] = order.count
        order.append(id)
      }
      if reference[id] != number { Issue.record("\(id) is number \(number), not \(reference[id] ?? -1)") }
      table.elements[number].value += 1
    }
    #expect(table.elements.map(\.key) == order)
    #expect(table.elements.reduce(0) { $0 + $1.value } == ids.count + 1000)
    for id in ids where table.number(of: id) != reference[id] { Issue.record("\(id) is not found") }
    for _ in 0..<1000 { #expect(table.number(of: MemoryID()) == nil) }
  }
}
