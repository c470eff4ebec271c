import Synchronization

/// The term readers of a store, each lent to one thread at a time: making one takes longer than reading a text.
final class TermReaders: Sendable {
  /// What determines the terms of a text.
  struct Basis: Equatable {
    let language: WordLanguage
    let seed: UInt64
  }

  let basis: Basis
  private let idle = Mutex<[TermReader]>([])

  private static let kept = 8

  init(_ language: WordLanguage, seed: UInt64) {
    basis = Basis(language: language, seed: seed)
  }

  /// Lends `body` a reader that no other thread uses meanwhile.
  ///
  /// - Throws: ``StoreError`` `.outOfResources`; what `body` throws.
  func withReader<Value>(_ body: (TermReader) throws -> Value) throws -> Value {
    let reader = try idle.withLock { $0.popLast() } ?? TermReader(basis.language, seed: basis.seed)
    defer { idle.withLock { if $0.count < Self.kept { $0.append(reader) } } }
    return try body(reader)
  }
}
