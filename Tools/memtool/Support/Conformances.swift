// The library's own types as arguments. A conformance of a public type is public, and so are the imports that it needs.
public import ArgumentParser
public import Engram

extension Metric: ExpressibleByArgument {}
extension ImportPolicy: ExpressibleByArgument {}
extension Interchange.Vectors: ExpressibleByArgument {}
extension ExportOptions.Format: ExpressibleByArgument {}
