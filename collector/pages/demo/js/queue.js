// Holds kastana() calls until the tracker has run: the whole of what a page needs
// besides the tracker's own tag.
window.kastana =
  window.kastana ||
  function () {
    ;(kastana.q = kastana.q || []).push(arguments)
  }
