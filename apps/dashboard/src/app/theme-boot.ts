/** Before anything is drawn: the theme that was chosen, so that a dark page does not flash white. */
const chosen = localStorage.getItem('layermill.theme')
if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset['theme'] = chosen
