import Foundation
import TestSupport
import Testing

@testable import memtool

/// Words that begin with a hyphen, and words that are misspelled.
@Suite struct CommandWordsTests {
  private let tool: Tool
  private let store: String

  init() throws {
    tool = try Tool()
    store = try tool.store("s.memory", "--embedder", "hashing")
  }

  /// The bug: the parser treated every word that begins with a hyphen as an option: negative numbers, ids of Telegram groups, list items.
  @Test func valuesAndTextsMayBeginWithAHyphen() throws {
    try tool.run("add", store, "--user", "-100123", "- buy milk")
    try tool.run("add", store, "-5 degrees in Oslo", "--user", "-100123")
    try tool.run("add", "--user", "-abc", store, "-- two hyphens --", "--kind", "-k")
    try tool.run("add", store, "--user", "u", "--", "--user")
    let hits = try tool.run("search", store, "- buy milk", "--user", "-100123", "--threshold", "-0.5", "--json").standardOutput
    #expect(hits.split(separator: "\n").count == 2 && hits.contains(#""text":"- buy milk""#), "\(hits)")
    #expect(try tool.export(store, "--user", "-abc").contains(#""text":"-- two hyphens --","kind":"-k""#))
    #expect(try tool.export(store, "--user", "u").contains(#""text":"--user""#))
    #expect(try tool.run("search", store, "x", "--all", "--limit", "-3", exit: 64).standardError.contains("The limit is -3"))
    #expect(try tool.run("add", store, "text", "--user", "--json", exit: 64).standardError.contains("Missing value for '--user <id>'"))
    #expect(try tool.shell(#"echo from-input | "$0" add "$1/s.memory" --user w -"#).termination == .exited(0))
    try tool.run("export", store, "-o", "-", "--user", "w")
  }

  /// The bug: a misspelled command was reported as an unexpected argument, and a misspelled option only as a missing one.
  @Test func aMisspelledWordIsNamedWithTheNearestOne() throws {
    let cases: [([String], String)] = [
      (["serach", store, "x"], "There is no command 'serach'. Did you mean 'search'?\nUsage: memtool <subcommand>\n"),
      (["foget", store], "There is no command 'foget'. Did you mean 'forget'?\n"),
      (["comp", store], "There is no command 'comp'. Did you mean 'compact'?\n"),
      (["context", "lst", store], "There is no command 'lst'. Did you mean 'list'?\nUsage: memtool context <subcommand>\n"),
      (["frobnicate"], "There is no command 'frobnicate'.\n"),
      (["search", store, "x", "--usr", "u"], "There is no option '--usr'. Did you mean '--user'?\nUsage: memtool search "),
      (["search", store, "x", "-user", "u"], "There is no option '-user'. Did you mean '--user'?\n"),
      (["search", store, "x", "--all", "--treshold=0.5"], "There is no option '--treshold'. Did you mean '--threshold'?\n"),
      (["delete", store, "--all", "--kind", "x", "--dryrun"], "There is no option '--dryrun'. Did you mean '--dry-run'?\n"),
      (["forget", store, "--user", "u", "--yse"], "There is no option '--yse'. Did you mean '--yes'?\n"),
      (["verify", store, "--frobnicate"], "There is no option '--frobnicate'.\n"),
    ]
    for (words, message) in cases {
      let outcome = try tool.run(words, exit: 64)
      #expect(outcome.standardError.hasPrefix("Error: " + message), "\(words): \(outcome.standardError)")
      #expect(outcome.standardError.contains("--help' for more information.") && outcome.standardOutput.isEmpty)
    }
  }

  @Test func wordsThatNothingIsWrongWithStayAsTheyAre() throws {
    for words in [
      [], ["--help"], ["--version"], ["help", "search"], ["search", "--help"], ["search", "s", "x", "--all", "--limit=3"],
      ["export", "s", "-o", "f"],
      ["context", "get", "s", "--user", "u"], ["import", "s", "a", "-", "--on-conflict", "skip"], ["add", "s", "--user=-1", "x"],
    ] { #expect(try CommandWords(words, of: Memtool.self).parserWords() == words) }
    let text = try CommandWords(["delete", "s", "a", "-1", "b", "--user", "-2"], of: Memtool.self).parserWords()
    #expect(text == ["delete", "s", "a", "--user=-2", "--", "-1", "b"])
    let short = try CommandWords(["export", "s", "-o", "-1"], of: Memtool.self).parserWords()
    #expect(short == ["export", "s", "--output=-1"])
  }

  @Test func unknownUsersAreNamed() throws {
    try tool.run("add", store, "--user", "maya", "text", "--kind", "fact")
    let said = "memtool: the store has no user 'mya'\n"
    for words in [
      ["search", store, "text", "--user", "mya"], ["context", "list", store, "--user", "mya"],
      ["delete", store, "--user", "mya", "--kind", "fact"],
    ] { #expect(try tool.run(words).standardError == said, "\(words)") }
    #expect(try tool.run("search", store, "text", "--user", "maya", "--kind", "none").standardError == "nothing found\n")
  }

  @Test func aTimeWithoutAZoneIsExplained() throws {
    let error = try tool.run("search", store, "x", "--all", "--since", "2026-01-02T03:04:05", exit: 64).standardError
    #expect(error.contains("the time has no zone: add Z or +hh:mm"), "\(error)")
  }
}
