"""Words of the fictional academy: plain, common names, the most frequent ones first.

Whoever draws from a list draws its beginning more often, so homonyms come as
they do in life.
"""

from __future__ import annotations

from typing import Final

SURNAMES: Final = tuple(
    """
Martin|Bernard|Thomas|Petit|Robert|Richard|Durand|Dubois|Moreau|Laurent|Simon|Michel|Lefèvre|Leroy
Roux|David|Bertrand|Morel|Fournier|Girard|Bonnet|Dupont|Lambert|Fontaine|Rousseau|Vincent|Müller
Lefebvre|Faure|André|Mercier|Blanc|Guérin|Boyer|Garnier|Chevalier|François|Legrand|Gauthier|Garcia
Perrin|Robin|Clément|Morin|Nicolas|Henry|Roussel|Mathieu|Gautier|Masson|Marchand|Duval|Denis|Dumont
Marie|Lemaire|Noël|Meyer|Dufour|Meunier|Brun|Blanchard|Giraud|Joly|Rivière|Lucas|Brunet|Gaillard
Barbier|Arnaud|Martinez|Gérard|Roche|Renard|Schmitt|Roy|Leroux|Colin|Vidal|Caron|Picard|Roger
Fabre|Aubert|Lemoine|Renaud|Dumas|Lacroix|Olivier|Philippe|Bourgeois|Pierre|Benoît|Rey|Leclerc
Payet|Rolland|Leclercq|Guillaume|Lecomte|López|Jean|Dupuy|Guillot|Hubert|Berger|Carpentier|Sánchez
Dupuis|Moulin|Louis|Deschamps|Huet|Vasseur|Pérez|Boucher|Fleury|Royer|Klein|Jacquet|Adam|Paris
Poirier|Marty|Aubry|Guyot|Carré|Charles|Renault|Charpentier|Ménard|Maillard|Baron|Bertin|Bailly
Hervé|Schneider|Fernández|Le Gall|Collet|Léger|Bouvier|Julien|Prévost|Millet|Perrot|Daniel|Cousin
Germain|Breton|Besson|Langlois|Rémy|Le Goff|Pelletier|Lévêque|Perrier|Leblanc|Barré|Lebrun|Marchal
Weber|Mallet|Hamon|Boulanger|Jacob|Monnier|Michaud|Rodríguez|Guichard|Gillet|Étienne|Grondin
Poulain|Tessier|Chevallier|Collin|Chauvin|Da Silva|Bouchet|Gay|Lemaître|Bénard|Maréchal|Humbert
Reynaud|Antoine|Hoarau|Perret|Barthélemy|Cordier|Pichon|Lejeune|Gilbert|Lamy|Delaunay|Pasquier
Carlier|Laporte|Gros|Buisson|Briand|Alexandre|Georges|Bousquet|Hernández|Évrard|Diallo|Traoré
N'Diaye|Diop|Nguyen|Tran|Benali|Haddad|Cohen|Lévy|Kowalski|Nowak|Øster|Lecœur|Sacré|L'Hermite
L'Hostis|D'Hondt|Ó Briain|Saint-Martin|Saint-Jean|Castaing|Etcheverry|Le Bihan|Le Roux|Kerbrat
Quéré|Guéguen|Cariou|Abgrall|Bourdais|Métayer|Têtard|Châtelain|Bélanger|Crépin|Désiré|Forêt
Goncalves|Lebœuf|Maïs|Naïm|Païs|Quesnel|Raynal|Sébille|Teissèdre|Urbain|Valette|Wagner|Ximénès
Yvon|Zimmermann|Auclair|Bourdon|Chauvet|Delmas|Esnault|Ferrand|Gaudin|Hardy|Imbert|Jourdan
""".replace("\n", "|")
    .strip("|")
    .split("|")
)
PARTICLES: Final = ("de ", "du ", "de La ", "d'", "Le ", "des ", "de l'")
WOMEN: Final = tuple(
    """
Marie|Nathalie|Isabelle|Sylvie|Catherine|Christine|Françoise|Valérie|Sandrine|Stéphanie|Véronique
Sophie|Céline|Chantal|Patricia|Anne|Brigitte|Julie|Monique|Aurélie|Nicole|Laurence|Annie|Émilie
Dominique|Virginie|Corinne|Élodie|Christelle|Camille|Caroline|Léa|Sarah|Florence|Laetitia|Audrey
Hélène|Laura|Manon|Michèle|Cécile|Christiane|Béatrice|Claire|Nadine|Delphine|Karine|Pauline
Mélanie|Marion|Chloé|Jacqueline|Élisabeth|Évelyne|Marine|Claudine|Anaïs|Lucie|Danielle|Carole
Fabienne|Mathilde|Sandra|Pascale|Annick|Charlotte|Emma|Séverine|Sabrina|Amandine|Myriam|Alice
Jocelyne|Louise|Océane|Colette|Éléonore|Maëlle|Zoé|Inès|Noémie|Gaëlle|Solène|Maïwenn|Raphaëlle
Joëlle|Clémence|Agnès|Édith|Fatima|Aïcha|Thérèse|Odile|Yvette|Geneviève|Ségolène|Mégane|Jade
""".replace("\n", "|")
    .strip("|")
    .split("|")
)
MEN: Final = tuple(
    """
Jean|Philippe|Michel|Alain|Patrick|Nicolas|Christophe|Pierre|Christian|Éric|Frédéric|Laurent
Stéphane|David|Pascal|Daniel|Sébastien|Julien|Thierry|Olivier|Bernard|Thomas|Alexandre|Gérard
Didier|Dominique|Vincent|François|Bruno|Guillaume|Jérôme|Jacques|Marc|Maxime|Romain|Claude|Antoine
Franck|Anthony|Kévin|Gilles|Cédric|Serge|André|Mathieu|Benjamin|Patrice|Fabrice|Joël|Jérémy
Clément|Arnaud|Denis|Paul|Lucas|Hervé|Sylvain|Yves|Ludovic|Guy|Florian|Damien|Alexis|Mickaël
Quentin|Emmanuel|Louis|Benoît|Fabien|Francis|Hugo|Xavier|Théo|Loïc|Raphaël|Jonathan|Valentin
Grégory|Adrien|Étienne|Gaël|Cyril|Rémi|Yannick|Léo|Noël|Aurélien|Régis|Rachid|Mohamed|Mamadou
Gaston|Côme|Maël|Timothée|Ernest|Félix|Barthélemy|Édouard|Gédéon|Zéphyr|Ulysse|Aimé
""".replace("\n", "|")
    .strip("|")
    .split("|")
)
TOWN_HEADS: Final = tuple(
    """
Saintes|Royan|Cognac|Thouars|Bressuire|Loudun|Marennes|Jonzac|Surgères|Ruffec|Confolens|Melle
Parthenay|Civray|Montmorillon|Châtellerault|Rochefort|Barbezieux|Matha|Pons|Niort|Chauvigny
Lusignan|Vivonne|Mirebeau|Airvault|Mauléon|Celles|Coulonges|Aytré|Périgny|Tonnay|Gémozac|Cozes
Saujon|Montendre|Mirambeau|Archiac|Jarnac|Segonzac|Aigre|Mansle|Chalais|Montbron|Ruelle|Soyaux
Vouillé|Neuville|Jaunay|Dissay|Naintré|Lencloître|Gençay|Couhé|Sauzé|Brioux|Chef-Boutonne|Lezay
Saint-Aubin|Saint-Léger|Saint-Loup|Saint-Varent|Saint-Pompain|Sainte-Soline|Saint-Savin|L'Isle
La Crèche|La Tremblade|Le Château|Les Mathes|Villeneuve|Bellefontaine|Hautmont|Beaulieu|Clairvaux
""".replace("\n", "|")
    .strip("|")
    .split("|")
)
TOWN_TAILS: Final = (
    "", "", "-sur-Aume", "-la-Forêt", "-les-Eaux", "-en-Plaine", "-sous-Bois", "-le-Vieux",
    "-du-Marais", "-sur-Sèvre", "-l'Abbaye", "-des-Prés",
)  # fmt: skip
SCHOOLS: Final = tuple(
    """
Jules Ferry|Jean Jaurès|Les Lilas|Victor Hugo|Jacques Prévert|Pierre et Marie Curie|Louis Pasteur
Jean Moulin|Les Tilleuls|Anatole France|George Sand|Paul Bert|Le Petit Prince|Marcel Pagnol
Émile Zola|Antoine de Saint-Exupéry|Simone Veil|La Fontaine|Les Hirondelles|Jean de La Fontaine
Claude Monet|Lucie Aubrac|Aliénor d'Aquitaine|Agrippa d'Aubigné|François Villon|René Descartes
Françoise Dolto|Le Bois Joli|Les Coquelicots|Joliot-Curie|Édouard Herriot|Louise Michel
Jean Rostand|Pierre Loti|Arthur Rimbaud|Louis Aragon|Colette Besson|Maurice Genevoix|Rosa Parks
Henri Matisse|Le Moulin|La Providence|Camille Claudel|Marguerite Duras|Paul Éluard|Les Écureuils
""".replace("\n", "|")
    .strip("|")
    .split("|")
)
SUBJECTS: Final = (
    "lettres modernes", "mathématiques", "anglais", "histoire-géographie", "EPS", "espagnol",
    "physique-chimie", "SVT", "technologie", "arts plastiques", "éducation musicale", "allemand",
    "documentation", "philosophie", "économie et gestion", "lettres classiques", "NSI",
)  # fmt: skip
