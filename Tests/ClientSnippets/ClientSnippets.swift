import Foundation

/// `ClientSnippets PAGE DIRECTORY` runs the code of a page in an empty directory, as a program that uses the library like anybody else.
@main
enum ClientSnippets {
  static func main() async throws {
    let (page, directory) = (CommandLine.arguments[1], CommandLine.arguments[2])
    precondition(FileManager.default.changeCurrentDirectoryPath(directory), "\(directory) is no directory")
    switch page {
    case "README.md": try await readme()
    case "Engram.md": try await overview()
    case "GettingStarted.md": try await gettingStarted()
    case "Lifecycle.md": try await lifecycle()
    case "Operating.md": try await operating()
    case "Searching.md": try await searching()
    case "ChoosingAnEmbedder.md": try await choosingAnEmbedder()
    case "Interchange.md": try await interchange()
    case "Conversations.md": try await conversations()
    default: preconditionFailure("no code of \(page) is known: add it to Snippets.swift, and here")
    }
  }
}
