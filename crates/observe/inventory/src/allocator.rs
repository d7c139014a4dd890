//! How glibc's allocator is set for a process that keeps maps.

/// Has small freed pieces joined with their neighbours at once. A reading of 100,000 objects frees millions of them, and glibc's
/// fast bins would keep them apart until somebody's next large allocation, which then waits 150 ms for all to be joined.
/// Costs nothing that can be measured: what is used again soon is in the threads' own caches.
#[cfg(target_env = "gnu")]
#[allow(unsafe_code)]
pub fn join_freed_memory_at_once() {
    // SAFETY: `mallopt` (mallopt(3)) takes two numbers and locks what it changes.
    unsafe { libc::mallopt(libc::M_MXFAST, 0) };
}

/// Other allocators keep no such bins.
#[cfg(not(target_env = "gnu"))]
pub const fn join_freed_memory_at_once() {}
