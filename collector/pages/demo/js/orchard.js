// The orchard is one page with four views: links change the view and the address, and
// each address is a page of its own for whoever comes to it directly.

const seasons = () => document.querySelectorAll('.seasons a')

const show = async (href) => {
  const answer = await fetch(href)
  const other = new DOMParser().parseFromString(await answer.text(), 'text/html')
  document.title = other.title
  document.querySelector('.view').replaceWith(other.querySelector('.view'))
  for (const link of seasons()) {
    if (link.pathname === new URL(href).pathname)
      link.setAttribute('aria-current', 'page')
    else link.removeAttribute('aria-current')
  }
  document.querySelector('.view h2').focus()
}

document.querySelector('.seasons').addEventListener('click', (event) => {
  const link = event.target.closest('a')
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return
  event.preventDefault()
  history.pushState(null, '', link.href)
  show(link.href)
})

addEventListener('popstate', () => show(location.href))
