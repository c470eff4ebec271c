import Formats

/// The tools that a server offers. A new tool is one more entry of ``all``: the listing, the checks and the errors follow from it.
struct ToolCatalog: Sendable {
  /// In the order of the listing.
  static let all: [Tool] = [
    .search, .add, .get, .list, .update, .delete, .profileGet, .profileUpdate, .overview, .forgetUser,
  ]

  /// Those that the options allow, each with the arguments that the client must bring.
  let tools: [(tool: Tool, arguments: [Field])]
  /// The result of `tools/list`.
  let listing: Reply

  init(_ options: MCPServerOptions) {
    let offered = Self.all.filter { tool in
      if tool.name == Tool.forgetUser.name { return options.allowsForget && !options.isReadOnly }
      return !options.isReadOnly || tool.hints.isReadOnly
    }
    tools = offered.map { ($0, options.user == .argument ? [Self.user] + $0.arguments : $0.arguments) }
    let tools = tools
    listing = Reply(caching: .listing) { writer in
      writer.key("tools")
      writer.beginArray()
      for (tool, arguments) in tools { tool.write(to: &writer, arguments) }
      writer.endArray()
    }
  }

  /// The argument that every tool has if the user is not fixed.
  private static let user = Field(
    "user", .text(bytes: 1...1024), required: true, not: ["userid", "username", "uid", "person"])

  /// - Throws: ``ProtocolError`` if there is no such tool, with the name that is probably meant.
  func find(_ name: String) throws(ProtocolError) -> (tool: Tool, arguments: [Field]) {
    if let found = tools.first(where: { $0.tool.name.utf8.elementsEqual(name.utf8) }) { return found }
    if Self.all.contains(where: { $0.name.utf8.elementsEqual(name.utf8) }) {
      throw ProtocolError(.invalidParameters, "the tool '\(name)' is not offered: the server was started without it")
    }
    let names = tools.map(\.tool.name)
    let meant = Spelling.nearest(to: name, of: names).map { "did you mean '\($0)'?" } ?? "there are \(names.joined(separator: ", "))"
    throw ProtocolError(.invalidParameters, "there is no tool '\(TerminalText.excerpt(name))': \(meant)")
  }
}
