import Base
import HTTP

/// The page for people: one document with its script and its style inside. What it may load and run
/// is bound to the digests of these two texts, which are taken from the texts themselves.
enum Page {
    static let script = [
        PageText.core, PageText.overview, PageText.chart, PageText.port, PageText.device,
        PageText.app,
    ].joined(separator: "\n")

    private static let policy =
        "default-src 'none'; script-src '\(digest(script))'; style-src '\(digest(PageText.style))'; "
        + "connect-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

    private static let icon =
        "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E"
        + "%3Cpath fill='%230b5cad' d='M2 13V8h3v5zm4.500 0V5h3v8zM11 13V2h3v11z'/%3E%3C/svg%3E"

    private static func digest(_ text: String) -> String {
        "sha256-\(Base64.encode(SHA256.digest(Array(text.utf8))))"
    }

    /// - Parameter body: empty for a document that is written in slices.
    static func response(_ status: Int, _ body: String = "") -> HTTPResponse {
        HTTPResponse(
            status, Array(body.utf8), "text/html; charset=UTF-8",
            headers: [HTTPResponse.Header("Content-Security-Policy", policy)])
    }

    /// Everything before the content of `body`.
    static func head(_ title: String, reloads: Bool) -> String {
        """
        <!doctype html>
        <html lang="en"><head><meta charset="utf-8"><title>\(escape(title))</title>
        <meta name="viewport" content="width=device-width,initial-scale=1"><link rel="icon" href="\(icon)">
        <style>\(PageText.style)</style>
        \(reloads ? "<noscript><meta http-equiv=\"refresh\" content=\"10\"></noscript>" : "")
        </head>
        """
    }

    /// The document that asks for the token.
    static func login(_ gateway: String, isWrong: Bool) -> HTTPResponse {
        response(
            401,
            head("\(gateway) · token needed", reloads: false) + """
                <body><header><h1>\(escape(gateway))</h1></header><main><h2>Who is there?</h2>
                <p>This door is opened with the token that stands in the gateway's configuration (<code>http.token</code>).</p>
                <form method="post" action="/login" class="tools"><label>token <input type="password" name="token"
                autocomplete="current-password" required autofocus></label><button>Open</button></form>
                \(isWrong ? "<p class=\"alarm\" role=\"alert\">That was not it.</p>" : "")</main></body></html>

                """)
    }

    static func escape(_ text: String) -> String {
        var out: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case 0x26: out += "&amp;".utf8
            case 0x3C: out += "&lt;".utf8
            case 0x3E: out += "&gt;".utf8
            case 0x22: out += "&quot;".utf8
            case 0x27: out += "&#39;".utf8
            default: out.append(byte)
            }
        }
        return String(decoding: out, as: UTF8.self)
    }
}
