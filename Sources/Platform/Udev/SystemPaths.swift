/// Where the kernel and udev show themselves; tests give a tree of their own.
package struct SystemPaths: Hashable, Sendable {
    package var sys: String
    package var dev: String
    package var proc: String
    package var run: String
    package var etc: String

    package init(
        sys: String = "/sys", dev: String = "/dev", proc: String = "/proc", run: String = "/run",
        etc: String = "/etc"
    ) {
        self.sys = sys
        self.dev = dev
        self.proc = proc
        self.run = run
        self.etc = etc
    }
}
