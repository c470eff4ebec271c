import Engram

/// An embedder that is a program of the user's own.
///
/// Its dimension is that of its first answer, to a text that is sent when it starts. If that answer names a `model`, the name is part of
/// the identity, as `command:MODEL`; without one it is `command`, and a store can tell two programs apart by their dimension only. The
/// command line is not part of the identity, because it contains paths.
struct CommandEmbedder: Embedder {
  let identity: EmbedderIdentity
  private let program: EmbedProgram

  /// Starts the program.
  ///
  /// - Throws: What ``EmbedProgram`` throws.
  init(_ command: String, silence: Duration = .seconds(300)) async throws {
    program = try EmbedProgram(command, silence: silence)
    let first = try await program.answers(to: ["dimension"], .passage, dimension: nil)[0]
    let name = first.model.flatMap { $0.isEmpty ? nil : "command:\($0)" } ?? "command"
    identity = EmbedderIdentity(name: name, dimension: first.vector.count, version: "1")
  }

  func embed(_ texts: [String]) async throws -> [Embedding] { try await embed(texts, .passage) }
  func embed(queries: [String]) async throws -> [Embedding] { try await embed(queries, .query) }

  private func embed(_ texts: [String], _ kind: EmbedProgram.Kind) async throws -> [Embedding] {
    try await program.answers(to: texts, kind, dimension: identity.dimension).map { Embedding($0.vector) }
  }
}
