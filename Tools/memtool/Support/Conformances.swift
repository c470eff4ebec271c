// The library's own types as arguments. A conformance of a public type is public, and so are the imports that it needs.
public import ArgumentParser
public import Engram

extension WordLanguage: @retroactive ExpressibleByArgument {}
extension SearchMode: @retroactive ExpressibleByArgument {}
extension Metric: @retroactive ExpressibleByArgument {}
extension ConversationOptions.Branches: @retroactive ExpressibleByArgument {}
extension ImportPolicy: @retroactive ExpressibleByArgument {}
extension Interchange.Vectors: @retroactive ExpressibleByArgument {}
extension ExportOptions.Format: @retroactive ExpressibleByArgument {}
extension MemoryID: @retroactive ExpressibleByArgument {}
extension Trust: @retroactive ExpressibleByArgument {}

extension SearchTier: @retroactive ExpressibleByArgument {
  private static let names: [(SearchTier, String)] = [(.floats, "floats"), (.codes, "codes"), (.coarseCodes, "coarse-codes")]

  public init?(argument: String) {
    guard let found = Self.names.first(where: { $0.1 == argument }) else { return nil }
    self = found.0
  }

  public static var allValueStrings: [String] { names.map(\.1) }
}
