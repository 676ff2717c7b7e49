// The look that was picked for the shop, before anything is drawn. It was only
// remembered if preferences were allowed.
try {
  const look = localStorage.getItem('castanea_look')
  if (look) document.documentElement.dataset.theme = look
} catch {
  // No storage: the shop looks as the system does.
}
